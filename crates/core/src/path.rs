//! One canonical path, made once before routing and seen alike by router, policies, cache and backend.
