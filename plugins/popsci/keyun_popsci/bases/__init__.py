"""Bases: directory, visits, bookings and loans."""
