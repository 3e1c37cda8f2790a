"""What goes into an exported model's zip as it is: programs that run without the engine."""
