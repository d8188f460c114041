//! A small world on a virtual clock for the members' tests.
