"""Why a number moved, and what to do next: studies that train cells, each a version of code, data and params."""
