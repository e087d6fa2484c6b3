"""Rows of the database as what the pages show, a module for a page."""
