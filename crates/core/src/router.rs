//! Finds the route for a request: the most specific one whose conditions all hold.
