//! What is in a machine's drives, and what it is told about who gets in.
