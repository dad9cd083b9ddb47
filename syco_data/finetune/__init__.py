"""Supervised fine-tuning: rows, order, trainer, checkpoints, the folder that comes out."""
