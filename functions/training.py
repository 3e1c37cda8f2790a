"""Timers that start trainings and bring them to their end."""

from datetime import UTC, datetime

import azure.functions as func

from functions._services import hop

blueprint = func.Blueprint()


@blueprint.function_name("start_training")
@blueprint.timer_trigger(arg_name="timer", schedule="%START_TRAINING_SCHEDULE%")
def start_training(timer: func.TimerRequest, context: func.Context) -> None:
    """Check every dataset against its thresholds and start the trainings that are due."""
    with hop("start_training", context) as services:
        services.training.start(now=datetime.now(UTC))


@blueprint.function_name("poll_training")
@blueprint.timer_trigger(arg_name="timer", schedule="%POLL_TRAINING_SCHEDULE%")
def poll_training(timer: func.TimerRequest, context: func.Context) -> None:
    """Take every version in training one step further; a finished one is judged and promoted."""
    with hop("poll_training", context) as services:
        services.progress.poll(now=datetime.now(UTC))
