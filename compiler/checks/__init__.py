"""The checks of a program: a module a subject, each with the codes it raises."""
