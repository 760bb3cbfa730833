//! Per-dispatch values, laid out on the host as the WGSL has them.

/// One field of a kernel's immediates, as the host lays it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in Rust and in WGSL.
    pub name: &'static str,
    /// Bytes from the start of the struct.
    pub offset: u32,
    /// Its type: `u32` or `f32`.
    pub kind: &'static str,
}

/// A struct of per-dispatch values, laid out as the WGSL `var<immediate>` struct of the same fields.
/// A field called `step` is filled in by the recorder.
pub trait Immediates: bytemuck::Pod {
    /// The struct's name, for error messages.
    const NAME: &'static str;
    /// Its fields in order.
    const FIELDS: &'static [Field];
}

/// For kernels without immediates.
impl Immediates for () {
    const NAME: &'static str = "()";
    const FIELDS: &'static [Field] = &[];
}

/// Declares a struct of immediates, fields of one type after the other, with the description that reflection compares
/// to the WGSL: `struct Filling { u32: first, count; f32: value; }`.
macro_rules! immediates {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($kind:ident: $($field:ident),+;)* }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
        $vis struct $name { $($(pub $field: $kind,)+)* }

        impl $crate::gpu::Immediates for $name {
            const NAME: &'static str = stringify!($name);
            const FIELDS: &'static [$crate::gpu::Field] = &[$($($crate::gpu::Field {
                name: stringify!($field),
                offset: std::mem::offset_of!($name, $field) as u32,
                kind: stringify!($kind),
            },)+)*];
        }
    };
}
pub(crate) use immediates;
