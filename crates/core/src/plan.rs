//! A route as the flow runs it.
