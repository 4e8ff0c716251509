//! libvirt.
mod firmware;
mod kvm_probe;
mod usernet;
mod xml;
