//! Cells the flow writes and telemetry reads.
