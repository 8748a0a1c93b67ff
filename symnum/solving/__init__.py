"""From a Problem to a Solution: methods, steppers, step control, events and linear algebra."""
