//! Buffers: memory on the device.

use super::account::Account;
use std::sync::Arc;

/// Memory on the device. Cloning it clones the handle.
#[derive(Clone, Debug)]
pub struct Buffer {
    pub(super) memory: Arc<Memory>,
    elements: usize,
}

/// The memory itself, which the account counts until its last handle is dropped.
#[derive(Debug)]
pub(super) struct Memory {
    pub raw: wgpu::Buffer,
    label: String,
    /// The bytes asked for; a rehearsal allocates less.
    pub bytes: u64,
    account: Arc<Account>,
}

impl Memory {
    pub fn new(raw: wgpu::Buffer, label: &str, bytes: u64, account: &Arc<Account>) -> Self {
        account.take(label, bytes);
        Self { raw, label: label.into(), bytes, account: account.clone() }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.account.give_back(&self.label, self.bytes);
    }
}

impl Buffer {
    pub(super) fn new(memory: Memory, elements: usize) -> Self {
        Self { memory: Arc::new(memory), elements }
    }

    /// How many 32-bit elements were asked for (the memory itself is padded to 16 bytes).
    pub fn len(&self) -> usize {
        self.elements
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.elements == 0
    }
}
