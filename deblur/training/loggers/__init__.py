"""Loggers of a training: TensorBoard, a CSV file, MLflow and Weights & Biases."""

from deblur.training.loggers.csv_file import CSV
from deblur.training.loggers.mlflow_store import MLflow
from deblur.training.loggers.run_logger import RunLogger, RunPlace
from deblur.training.loggers.tensorboard import TensorBoard
from deblur.training.loggers.wandb_folder import WandB

__all__ = ["CSV", "MLflow", "RunLogger", "RunPlace", "TensorBoard", "WandB"]
