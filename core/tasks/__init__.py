"""Tasks: what a pooling model can be asked for."""

from cenote.tasks.base import Task
from cenote.tasks.forms import FORMS, form_tasks
from cenote.tasks.validate import check_dimensions, check_params, default_task, get_task

__all__ = ["FORMS", "Task", "check_dimensions", "check_params", "default_task", "form_tasks", "get_task"]
