"""The judges, a module for each family of formats.

Their programs are imported within functions: the table is read where none of them is installed, too.
"""
