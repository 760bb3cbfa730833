//! Compiling kernels, each variant once for each device.

use super::kernel::ZEROED_WORKGROUP_MEMORY;
use super::needs::Offer;
use super::reflection::{Compiled, reflect};
use super::{Kernel, Trace};
use crate::lock::lock;
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The kernels that a device has compiled so far.
#[derive(Debug, Default)]
pub(super) struct Registry {
    compiled: Mutex<HashMap<Kernel, Arc<Compiled>>>,
    /// By their kernels, the entry point left empty.
    modules: Mutex<HashMap<Kernel, wgpu::ShaderModule>>,
}

impl Registry {
    /// Every kernel that it has compiled.
    pub fn kernels(&self) -> Vec<Kernel> {
        lock(&self.compiled).keys().copied().collect()
    }

    /// The compiled kernel, compiling it where this is its first use. A kernel that needs more than the device offers is
    /// not compiled: none of the kernels that are chosen for it may.
    pub fn get(
        &self,
        device: &wgpu::Device,
        offer: &Offer,
        kernel: &Kernel,
        checked: bool,
        trace: Option<&Arc<Trace>>,
    ) -> Result<Arc<Compiled>> {
        let mut compiled = lock(&self.compiled);
        if let Some(found) = compiled.get(kernel) {
            return Ok(found.clone());
        }
        let span = |what: &str| trace.map(|trace| trace.span(format!("{what} {}", kernel.entry)));
        let _making = span("make");
        let reflecting = span("reflect");
        let source = kernel.source()?;
        let reflected = reflect(kernel, &source)?;
        drop(reflecting);
        if let Some(lacks) = offer.refuses(&reflected.needs()) {
            return Err(Error::fault(format!("{} {lacks}", kernel.entry)));
        }
        let translating = span("translate");
        let module = lock(&self.modules)
            .entry(Kernel { entry: "", ..*kernel })
            .or_insert_with(|| create_module(device, kernel.shader, &source, checked))
            .clone();
        drop(translating);
        let _compiling = span("compile");
        let entries: Vec<_> = reflected
            .bindings
            .iter()
            .map(|binding| wgpu::BindGroupLayoutEntry {
                binding: binding.index,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: binding.read_only },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(kernel.entry),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.entry),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: reflected.immediate_bytes,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.entry),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(kernel.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                zero_initialize_workgroup_memory: ZEROED_WORKGROUP_MEMORY,
            },
            cache: None,
        });
        let built = Arc::new(Compiled { kernel: *kernel, pipeline, layout, reflected });
        compiled.insert(*kernel, built.clone());
        Ok(built)
    }
}

fn create_module(device: &wgpu::Device, name: &str, source: &str, checked: bool) -> wgpu::ShaderModule {
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(source.into()) };
    if checked {
        return device.create_shader_module(descriptor);
    }
    // SAFETY: the kernels index only within the shapes that the host passes and end every loop at a
    // bound that the host passes; the tests run each of them with the checks on.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}
