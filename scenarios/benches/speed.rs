//! How fast scenarios run. Figures and how they were taken: docs/performance.md.

fn main() {}
