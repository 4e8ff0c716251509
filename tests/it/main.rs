//! integration tests
mod definition;
