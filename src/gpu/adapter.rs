//! The adapters that there are, and what they lack.

use serde::Serialize;

/// One adapter as `ssgan adapters` shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdapterSummary {
    /// Position in the list.
    pub index: usize,
    /// Name the driver gives.
    pub name: String,
    /// `discrete GPU`, `integrated GPU`, `software`, ...
    pub kind: String,
    /// `Vulkan`, `Metal`, `Dx12`.
    pub backend: String,
    /// Driver name.
    pub driver: String,
    /// Driver version.
    pub driver_info: String,
    /// PCI vendor.
    pub vendor: u32,
    /// PCI device.
    pub device: u32,
    /// Where the card is, such as `0000:01:00.0`; empty where the backend does not tell.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pci_bus: String,
    /// Optional features that this program makes use of, where present.
    pub features: Vec<String>,
    /// Smallest subgroup.
    pub subgroup_min: u32,
    /// Largest subgroup.
    pub subgroup_max: u32,
    /// Rows and columns of the largest square matrices of 16-bit floats that subgroups multiply and accumulate in 32 bits.
    #[serde(skip)]
    pub cooperative_side: Option<u32>,
    /// Whether training can run on it.
    pub usable: bool,
    /// Why not.
    pub problem: Option<String>,
}

impl AdapterSummary {
    /// Driver and its version.
    pub fn driver_text(&self) -> String {
        format!("{} {}", self.driver, self.driver_info).trim().to_string()
    }

    /// Whether it runs on the CPU.
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }

    /// Lanes of a subgroup, where all have as many. Of DirectX 12's numbers the larger one "is reserved for future expansion"
    /// (Microsoft, `D3D12_FEATURE_DATA_D3D12_OPTIONS1`), so that they are believed of NVIDIA's adapters, which have one size, and
    /// of software alone.
    pub fn lanes(&self) -> Option<u32> {
        const NVIDIA: u32 = 0x10de;
        let told = self.backend != "Dx12" || self.vendor == NVIDIA || self.is_software();
        (told && self.subgroup_min == self.subgroup_max && self.subgroup_min > 0).then_some(self.subgroup_min)
    }
}

/// An adapter, its backend and its driver in a line, nothing twice: Mesa's software adapter has its own name and its compiler's
/// in both. `llvmpipe (LLVM 15.0.6, 256 bits) (Vulkan, Mesa 22.3.6)`.
pub fn describe(name: &str, backend: &str, driver: &str) -> String {
    let said = |text: &str| name.contains(text.trim_end_matches(')'));
    let (text, end) = driver.split_once(" (").unwrap_or((driver, ""));
    let text = match text.split_once(' ') {
        Some((first, rest)) if said(first) => rest,
        _ => text,
    };
    let end = if end.is_empty() || said(end) { String::new() } else { format!(" ({end}") };
    match text.is_empty() {
        true => format!("{name} ({backend})"),
        false => format!("{name} ({backend}, {text}{end})"),
    }
}

/// What to install where no adapter is found.
pub fn install_hint() -> &'static str {
    if cfg!(target_arch = "wasm32") {
        "take a browser that has WebGPU"
    } else if cfg!(target_os = "linux") {
        "install your GPU's Vulkan driver, or a software one such as Mesa's llvmpipe"
    } else if cfg!(target_os = "windows") {
        "install your GPU vendor's driver; Windows 10 and later bring the software adapter WARP"
    } else {
        "update the system; every Mac that runs macOS 11 or later has Metal"
    }
}

/// Limits that the kernels need: those of WebGPU's defaults that are of computing. Of the others, of which nothing is used, those
/// of WebGL 2: the GPU of a Raspberry Pi has no textures of 8192 pixels.
fn needed() -> wgpu::Limits {
    let all = wgpu::Limits::default();
    wgpu::Limits {
        max_storage_buffers_per_shader_stage: all.max_storage_buffers_per_shader_stage,
        max_storage_buffer_binding_size: all.max_storage_buffer_binding_size,
        max_uniform_buffer_binding_size: all.max_uniform_buffer_binding_size,
        max_buffer_size: all.max_buffer_size,
        max_compute_workgroup_storage_size: all.max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup: all.max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x: all.max_compute_workgroup_size_x,
        max_compute_workgroup_size_y: all.max_compute_workgroup_size_y,
        max_compute_workgroup_size_z: all.max_compute_workgroup_size_z,
        max_compute_workgroups_per_dimension: all.max_compute_workgroups_per_dimension,
        ..wgpu::Limits::downlevel_webgl2_defaults()
    }
}

fn instance(backends: wgpu::Backends) -> wgpu::Instance {
    let mut d = wgpu::InstanceDescriptor::new_without_display_handle();
    d.backends = backends;
    // Lean, unless the environment asks for more: WGPU_DEBUG=1 passes the labels on to RenderDoc and the like.
    d.flags = wgpu::InstanceFlags::empty().with_env();
    // DXC where there is a dxcompiler.dll, else FXC, unless WGPU_DX12_COMPILER says otherwise (docs/dependencies.md).
    d.backend_options.dx12.shader_compiler = wgpu::Dx12Compiler::Auto.with_env();
    wgpu::Instance::new(d)
}

pub(super) fn summarise(index: usize, a: &wgpu::Adapter) -> AdapterSummary {
    let info = a.get_info();
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    };
    let problem = lacking(&a.limits(), a);
    let cooperative_side = cooperative_side(a);
    AdapterSummary {
        index,
        name: info.name,
        kind: kind.into(),
        backend: format!("{:?}", info.backend),
        driver: info.driver,
        driver_info: info.driver_info,
        vendor: info.vendor,
        device: info.device,
        pci_bus: info.device_pci_bus_id,
        features: NAMED
            .iter()
            .filter(|(f, _)| a.features().contains(*f))
            .map(|(_, n)| *n)
            .chain(cooperative_side.map(|_| "cooperative-matrix"))
            .map(str::to_string)
            .collect(),
        subgroup_min: info.subgroup_min_size,
        subgroup_max: info.subgroup_max_size,
        cooperative_side,
        usable: problem.is_none(),
        problem,
    }
}

/// Features that kernels and timers make use of wherever they are.
pub(super) const USED: wgpu::Features = wgpu::Features::SUBGROUP
    .union(wgpu::Features::SHADER_INT64)
    .union(wgpu::Features::TIMESTAMP_QUERY)
    .union(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES);

/// What is told of them, and of [`COOPERATIVE`].
const NAMED: [(wgpu::Features, &str); 4] = [
    (wgpu::Features::SUBGROUP, "subgroup"),
    (wgpu::Features::SHADER_INT64, "shader-int64"),
    (wgpu::Features::TIMESTAMP_QUERY, "timestamp-query"),
    (wgpu::Features::SHADER_F16, "shader-f16"),
];

/// Features of shaders that multiply matrices as subgroups.
pub(super) const COOPERATIVE: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX
    .union(wgpu::Features::SHADER_F16)
    .union(wgpu::Features::SUBGROUP);

/// See [`AdapterSummary::cooperative_side`].
fn cooperative_side(a: &wgpu::Adapter) -> Option<u32> {
    use wgpu::CooperativeScalarType::{F16, F32};
    if !a.features().contains(COOPERATIVE) {
        return None;
    }
    let all = a.cooperative_matrix_properties().into_iter();
    let square =
        all.filter(|p| (p.ab_type, p.cr_type) == (F16, F32) && p.m_size == p.n_size && p.n_size == p.k_size);
    square.map(|p| p.m_size).max()
}

pub(super) fn lacking(limits: &wgpu::Limits, a: &wgpu::Adapter) -> Option<String> {
    if !a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        return Some("has no compute shaders".into());
    }
    below_needed(limits)
}

/// The first limit that is too low.
fn below_needed(limits: &wgpu::Limits) -> Option<String> {
    let mut problem = None;
    needed().check_limits_with_fail_fn(limits, false, |name, want, have| {
        problem.get_or_insert_with(|| format!("limit {name} is {have}; {want} is needed"));
    });
    problem
}

/// All adapters of all backends, with their places in the list.
pub(super) async fn enumerate() -> Vec<(AdapterSummary, wgpu::Adapter)> {
    let all = wgpu::Backends::PRIMARY;
    let list = instance(all).enumerate_adapters(all).await;
    list.into_iter().enumerate().map(|(i, a)| (summarise(i, &a), a)).collect()
}

/// All adapters of all backends, in the order in which an index counts them.
pub async fn list_adapters() -> Vec<AdapterSummary> {
    enumerate().await.into_iter().map(|(s, _)| s).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_textures_are_enough() {
        let webgpu = wgpu::Limits::default();
        assert_eq!(below_needed(&webgpu), None);
        let pi = wgpu::Limits { max_texture_dimension_2d: 4096, max_color_attachments: 4, ..webgpu.clone() };
        assert_eq!(below_needed(&pi), None);
        let few = wgpu::Limits { max_storage_buffers_per_shader_stage: 4, ..webgpu };
        let said = "limit max_storage_buffers_per_shader_stage is 4; 8 is needed";
        assert_eq!(below_needed(&few).as_deref(), Some(said));
    }

    impl AdapterSummary {
        fn unknown() -> AdapterSummary {
            let (name, kind, backend, driver, driver_info, pci_bus) = Default::default();
            let (index, vendor, device, subgroup_min, subgroup_max) = Default::default();
            let (features, cooperative_side, usable, problem) = Default::default();
            AdapterSummary {
                index,
                name,
                kind,
                backend,
                driver,
                driver_info,
                vendor,
                device,
                pci_bus,
                features,
                subgroup_min,
                subgroup_max,
                cooperative_side,
                usable,
                problem,
            }
        }
    }

    /// What is listed as made use of is asked for, and what is asked for is listed.
    #[test]
    fn features_are_those_that_a_device_is_opened_with() {
        let listed = NAMED.iter().fold(wgpu::Features::empty(), |all, (feature, _)| all.union(*feature));
        assert!(USED.union(COOPERATIVE).contains(listed), "{listed:?}");
        // A finer kind of the same.
        let finer = wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES;
        assert!(listed.union(finer).contains(USED), "{listed:?}");
    }

    #[test]
    fn nothing_is_told_twice() {
        for (name, driver, told) in [
            (
                "llvmpipe (LLVM 15.0.6, 256 bits)",
                "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)",
                "llvmpipe (LLVM 15.0.6, 256 bits) (Vulkan, Mesa 22.3.6)",
            ),
            ("NVIDIA GeForce RTX 4090", "NVIDIA 570.86", "NVIDIA GeForce RTX 4090 (Vulkan, 570.86)"),
            ("AMD Radeon", "radv Mesa 25.0 (LLVM 19)", "AMD Radeon (Vulkan, radv Mesa 25.0 (LLVM 19))"),
            ("Apple M2", "", "Apple M2 (Vulkan)"),
        ] {
            assert_eq!(describe(name, "Vulkan", driver), told);
        }
    }

    #[test]
    fn lanes_that_may_be_believed() {
        let lanes = |backend: &str, vendor, kind: &str, (subgroup_min, subgroup_max)| {
            let (backend, kind) = (backend.into(), kind.into());
            AdapterSummary { backend, vendor, kind, subgroup_min, subgroup_max, ..AdapterSummary::unknown() }
                .lanes()
        };
        assert_eq!(lanes("Vulkan", 0x8086, "integrated GPU", (8, 32)), None);
        assert_eq!(lanes("Vulkan", 0x8086, "integrated GPU", (16, 16)), Some(16));
        assert_eq!(lanes("Dx12", 0x8086, "integrated GPU", (16, 16)), None);
        assert_eq!(lanes("Dx12", 0x10de, "discrete GPU", (32, 32)), Some(32));
        assert_eq!(lanes("Dx12", 0x1414, "software", (4, 4)), Some(4));
        assert_eq!(lanes("Vulkan", 0, "software", (0, 0)), None);
    }
}
