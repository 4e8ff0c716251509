//! Disk images: readers, allocation maps, writers and the one conversion loop. Synchronous.
