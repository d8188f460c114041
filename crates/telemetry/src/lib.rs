//! What the gateway says about itself: the Prometheus text, the access log, quantiles of late, and the lines for people
//! on standard error. Reads core's meters and rings, writes none.

pub mod access_log;
pub mod prometheus;
pub mod recent;
pub mod say;
