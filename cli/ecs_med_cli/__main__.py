"""`python -m ecs_med_cli`: the command line where the script `ecs-med` is not on the path."""

from ecs_med_cli.app import main

main()
