"""What stands for networks where ONNX Runtime computes them."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from ecs_med.devices import memory_format
from ecs_med.inference.copies import QuickCopies, Watched
from ecs_med.networks.correctors import FeatureCorrector

__all__ = ["Graph", "GraphCopies"]

_ERRORS = 3
"""Severity from which on ONNX Runtime prints."""


class Graph:
    """An ONNX graph, computed on the CPU with as many threads as PyTorch has.

    Args:
        content: The graph.
    """

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS
        providers = ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(content, options, providers=providers)
        self._names = [entry.name for entry in self._session.get_inputs()]

    def __call__(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All that it gives of what it takes, each in the order of the graph."""
        arrays = (values.detach().contiguous().numpy() for values in inputs)
        found = self._session.run(None, dict(zip(self._names, arrays, strict=True)))
        return tuple(torch.from_numpy(values) for values in found)


class _GraphNetwork(nn.Module):
    """Stands for a network; as a segmenter it gives features first and logits last."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._graph = graph
        self.eval()

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All that the graph gives: what a corrector's graph takes, and then the logits."""
        return self._graph(images)

    def decode(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """The logits among them."""
        return _in_layout(features[-1])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(images))


class _GraphCorrector(FeatureCorrector):
    """Stands for a corrector on features of a segmenter for which a graph stands, too."""

    def __init__(self, graph: Graph, segmenter: _GraphNetwork, in_channels: int) -> None:
        super().__init__(segmenter, in_channels)
        self._graph = graph
        self.eval()

    def judge(self, features: Sequence[torch.Tensor], class_map: torch.Tensor) -> torch.Tensor:
        """See `FeatureCorrector.judge`; of the features, the logits at their end are left out."""
        [logits] = self._graph(*features[:-1], class_map)
        return _in_layout(logits)


def _in_layout(logits: torch.Tensor) -> torch.Tensor:
    """As networks give them: the largest class is found several times as fast."""
    if logits.ndim != 4:
        return logits
    return logits.contiguous(memory_format=memory_format(logits))


class GraphCopies(QuickCopies):
    """Graphs that stand for networks; quick copies do once one is changed in place or watched.

    Args:
        networks: By `segmenter`, `corrector`, `classifier`.
        graphs: Those that `make_graphs` made of them.

    Raises:
        Exception: Whatever ONNX Runtime raises of a graph that it cannot load.
    """

    def __init__(self, networks: Mapping[str, nn.Module], graphs: Mapping[str, bytes]) -> None:
        super().__init__()
        self._watched = Watched(networks.values())
        segmenter = _GraphNetwork(Graph(graphs["segmenter"]))
        self._stand_ins: dict[int, nn.Module] = {}
        for name, network in networks.items():
            stand_in: nn.Module = segmenter
            if isinstance(network, FeatureCorrector):
                stand_in = _GraphCorrector(Graph(graphs[name]), segmenter, network.in_channels)
            elif name != "segmenter":
                stand_in = _GraphNetwork(Graph(graphs[name]))
            self._stand_ins[id(network)] = stand_in

    def of(self, network: nn.Module, example: torch.Tensor) -> nn.Module:
        """See `QuickCopies.of`."""
        # Together, since a corrector's graph understands features of the segmenter's graph alone.
        changed = self._watched.has_changed or self._watched.is_listened_to
        if network.training or changed:
            return super().of(network, example)
        return self._stand_ins[id(network)]
