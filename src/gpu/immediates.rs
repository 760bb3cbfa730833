//! Per-dispatch values, laid out on the host as the WGSL has them.

/// The type of a field of a kernel's immediates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// `u32`
    U32,
    /// `f32`
    F32,
}

/// One field of a kernel's immediates, as the host lays it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in Rust and in WGSL.
    pub name: &'static str,
    /// Bytes from the start of the struct.
    pub offset: u32,
    /// Its type.
    pub kind: FieldKind,
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

/// What the type of an immediate's field is called in WGSL.
pub(crate) trait ImmediateField {
    const KIND: FieldKind;
}
impl ImmediateField for u32 {
    const KIND: FieldKind = FieldKind::U32;
}
impl ImmediateField for f32 {
    const KIND: FieldKind = FieldKind::F32;
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
                kind: <$kind as $crate::gpu::ImmediateField>::KIND,
            },)+)*];
        }
    };
}
pub(crate) use immediates;
