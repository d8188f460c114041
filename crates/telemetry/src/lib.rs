//! What the gateway says about itself: reads core's meters, writes none. So far the Prometheus text.

pub mod prometheus;
