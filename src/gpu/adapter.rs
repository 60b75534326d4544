//! Which adapter: listing, choosing, and saying what is missing.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// What matrix products may round their inputs to. Accumulation, parameters and everything else are 32-bit floats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Nothing: 32-bit floats throughout.
    #[default]
    F32,
    /// 16-bit floats, on cooperative matrices.
    Mixed,
}

/// What the user asked for. Everything absent: the best adapter there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdapterChoice {
    /// Part of a name, an index of `ssgan adapters`, `software` or `gpu`.
    pub adapter: Option<String>,
    /// `vulkan`, `metal` or `dx12`, or several of them with commas between.
    pub backend: Option<String>,
    /// Which GPU comes first where nothing else decides.
    pub power: Power,
    /// Cooperative matrices or none.
    pub precision: Precision,
}

/// Which of several GPUs comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Power {
    /// A discrete one.
    #[default]
    High,
    /// An integrated one.
    Low,
}

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
}

/// What to install where no adapter is found.
pub fn install_hint() -> &'static str {
    if cfg!(target_os = "linux") {
        "install your GPU's Vulkan driver, or the software one: `sudo apt-get install libvulkan1 mesa-vulkan-drivers`"
    } else if cfg!(target_os = "windows") {
        "install your GPU vendor's driver; Windows 10 and later bring the software adapter WARP"
    } else {
        "update the system; every Mac that runs macOS 11 or later has Metal"
    }
}

/// Limits that the kernels need: WebGPU's defaults for compute.
fn needed() -> wgpu::Limits {
    wgpu::Limits::default()
}

/// What a backend is called here, of the names that wgpu's tools know it by.
pub fn backend_name(name: &str) -> Option<&'static str> {
    match name.trim().to_ascii_lowercase().as_str() {
        "vulkan" | "vk" => Some("vulkan"),
        "metal" | "mtl" => Some("metal"),
        "dx12" | "d3d12" => Some("dx12"),
        _ => None,
    }
}

/// The backends that a wish allows.
fn backends(choice: Option<&str>) -> Result<wgpu::Backends> {
    let Some(names) = choice else { return Ok(wgpu::Backends::PRIMARY) };
    let mut all = wgpu::Backends::empty();
    for name in names.split(',') {
        all |= match backend_name(name) {
            Some("vulkan") => wgpu::Backends::VULKAN,
            Some("metal") => wgpu::Backends::METAL,
            Some(_) => wgpu::Backends::DX12,
            None => {
                let name = name.trim();
                return Err(Error::Usage(format!("backend `{name}`: choose one of vulkan, metal, dx12")));
            }
        };
    }
    Ok(all)
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

fn summarise(index: usize, a: &wgpu::Adapter) -> AdapterSummary {
    let info = a.get_info();
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    };
    let features = [
        (wgpu::Features::SUBGROUP, "subgroup"),
        (wgpu::Features::TIMESTAMP_QUERY, "timestamp-query"),
        (wgpu::Features::PIPELINE_CACHE, "pipeline-cache"),
        (wgpu::Features::SHADER_F16, "shader-f16"),
    ];
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
        features: features
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

fn lacking(limits: &wgpu::Limits, a: &wgpu::Adapter) -> Option<String> {
    if !a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        return Some("has no compute shaders".into());
    }
    let mut problem = None;
    needed().check_limits_with_fail_fn(limits, false, |name, want, have| {
        problem.get_or_insert_with(|| format!("limit {name} is {have}; {want} is needed"));
    });
    problem
}

async fn enumerate() -> Vec<(AdapterSummary, wgpu::Adapter)> {
    let all = wgpu::Backends::PRIMARY;
    let list = instance(all).enumerate_adapters(all).await;
    list.into_iter().enumerate().map(|(i, a)| (summarise(i, &a), a)).collect()
}

/// All adapters of all backends, in the order that `--adapter INDEX` counts.
pub async fn list_adapters() -> Vec<AdapterSummary> {
    enumerate().await.into_iter().map(|(s, _)| s).collect()
}

/// The adapter that `was` described: the same card behind the same driver interface. Of several of one name it is told by
/// the bus where the backend knows that, else by its place in the list.
///
/// # Errors
/// [`Error::Adapter`] saying what there is instead.
pub async fn find(was: &AdapterSummary) -> Result<(AdapterSummary, wgpu::Adapter)> {
    let mut list = enumerate().await;
    let summaries: Vec<_> = list.iter().map(|(s, _)| s.clone()).collect();
    match same_card(&summaries, was) {
        Some(at) => Ok(list.swap_remove(at)),
        None => {
            let there: Vec<_> = summaries.iter().map(|s| s.name.as_str()).collect();
            let (name, backend) = (&was.name, &was.backend);
            Err(Error::Adapter(format!("{name} ({backend}) is not there; there is: {}", there.join(", "))))
        }
    }
}

fn same_card(list: &[AdapterSummary], was: &AdapterSummary) -> Option<usize> {
    let card =
        |s: &AdapterSummary| (s.vendor, s.device, s.name.clone(), s.backend.clone(), s.pci_bus.clone());
    let same = list.iter().enumerate().filter(|(_, s)| card(s) == card(was));
    same.min_by_key(|(_, s)| s.index != was.index).map(|(at, _)| at)
}

/// Picks the adapter that `choice` means; without a wish the first of discrete, integrated, virtual,
/// software.
///
/// # Errors
/// [`Error::Adapter`] listing what there is, or what to install; [`Error::Usage`] for an unknown backend.
pub async fn choose(choice: &AdapterChoice) -> Result<(AdapterSummary, wgpu::Adapter)> {
    let allowed = backends(choice.backend.as_deref())?;
    let mut list = enumerate().await;
    list.retain(|(_, a)| allowed.contains(a.get_info().backend.into()));
    let summaries: Vec<_> = list.iter().map(|(s, _)| s.clone()).collect();
    let at = pick(&summaries, choice)?;
    let (summary, adapter) = list.swap_remove(at);
    if let Some(p) = &summary.problem {
        return Err(Error::Adapter(format!("{} {p}; choose another with --adapter", summary.name)));
    }
    Ok((summary, adapter))
}

/// Which of the adapters is meant.
fn pick(list: &[AdapterSummary], choice: &AdapterChoice) -> Result<usize> {
    if list.is_empty() {
        let which = choice.backend.as_deref().unwrap_or("any backend");
        return Err(Error::Adapter(format!("none found ({which}); {}", install_hint())));
    }
    let rank = |s: &AdapterSummary| match (s.kind.as_str(), choice.power) {
        ("discrete GPU", Power::High) | ("integrated GPU", Power::Low) => 0,
        ("discrete GPU" | "integrated GPU", _) => 1,
        ("virtual GPU", _) => 2,
        ("other", _) => 3,
        _ => 4,
    };
    let wish = choice.adapter.as_deref().map(|w| w.trim().to_ascii_lowercase());
    // A long number that no adapter has in the list is that of a card, such as 4090; a short one is an index in any case.
    let index = wish.as_deref().and_then(|w| w.parse::<usize>().ok());
    let index = index.filter(|i| *i < 100 || list.iter().any(|s| s.index == *i));
    let matches = |s: &AdapterSummary| match (wish.as_deref(), index) {
        (None, _) => s.usable,
        (_, Some(i)) => s.index == i,
        (Some("software"), _) => s.is_software(),
        (Some("gpu"), _) => !s.is_software(),
        // Not in what drivers add in brackets, which is full of numbers.
        (Some(w), _) => {
            let name = s.name.to_ascii_lowercase();
            let digits = w.chars().all(|c| c.is_ascii_digit());
            if digits { name.split('(').next().unwrap_or_default().contains(w) } else { name.contains(w) }
        }
    };
    let best = list.iter().enumerate().filter(|(_, s)| matches(s)).min_by_key(|(_, s)| {
        let lacks = choice.precision == Precision::Mixed && s.cooperative_side.is_none();
        (!s.usable, lacks, rank(s))
    });
    best.map(|(at, _)| at).ok_or_else(|| {
        let wish = choice.adapter.as_deref().unwrap_or("a usable one");
        let problems: Vec<_> =
            list.iter().filter_map(|s| s.problem.as_ref().map(|p| format!("{} {p}", s.name))).collect();
        let why = if problems.is_empty() { String::new() } else { format!(" ({})", problems.join("; ")) };
        let there: Vec<_> = list.iter().map(|s| format!("[{}] {} ({})", s.index, s.name, s.kind)).collect();
        // Where a software driver is installed, it is a GPU's that is missing, if anything.
        let advice = match list.iter().any(|s| s.usable) {
            true => "choose one of these with --adapter".to_string(),
            false => install_hint().to_string(),
        };
        Error::Adapter(format!("no match for `{wish}`{why}; there is: {}; {advice}", there.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(index: usize, name: &str, kind: &str, pci_bus: &str) -> AdapterSummary {
        let (name, kind, pci_bus) = (name.into(), kind.into(), pci_bus.into());
        AdapterSummary {
            index,
            name,
            kind,
            pci_bus,
            problem: None,
            usable: true,
            ..crate::native::list_adapters().remove(0)
        }
    }

    #[test]
    fn a_wish_is_an_index_of_the_list_or_part_of_a_name() {
        // What is left of a list where a backend was asked for keeps its numbers.
        let list = [
            card(1, "Radeon 780M", "integrated GPU", ""),
            card(2, "GeForce RTX 4090", "discrete GPU", "0000:01:00.0"),
            card(5, "llvmpipe (LLVM 15.0.6, 256 bits)", "software", ""),
        ];
        let picked = |adapter: Option<&str>, power: Power| {
            let adapter = adapter.map(Into::into);
            pick(&list, &AdapterChoice { adapter, power, ..Default::default() }).map(|at| list[at].index)
        };
        for (wish, index) in [
            (None, 2),
            (Some("1"), 1),
            (Some("5"), 5),
            (Some("4090"), 2),
            (Some("780"), 1),
            (Some("software"), 5),
            (Some("gpu"), 2),
            (Some(" RADEON "), 1),
        ] {
            assert_eq!(picked(wish, Power::High).unwrap(), index, "{wish:?}");
        }
        assert_eq!(picked(None, Power::Low).unwrap(), 1);
        assert_eq!(picked(Some("gpu"), Power::Low).unwrap(), 1);
        // Numbers that are in names, and no index.
        for wish in ["0", "6", "15", "40", "256"] {
            let said = picked(Some(wish), Power::High).unwrap_err().to_string();
            assert!(said.contains("[2] GeForce") && !said.contains("install"), "{wish}: {said}");
        }
    }

    #[test]
    fn two_cards_of_one_name_are_told_apart_by_their_bus() {
        let two =
            [card(0, "A", "discrete GPU", "0000:01:00.0"), card(1, "A", "discrete GPU", "0000:02:00.0")];
        // The system counts them the other way round after a loss.
        let swapped =
            [AdapterSummary { index: 0, ..two[1].clone() }, AdapterSummary { index: 1, ..two[0].clone() }];
        assert_eq!((same_card(&swapped, &two[0]), same_card(&swapped, &two[1])), (Some(1), Some(0)));
        let without = two.clone().map(|s| AdapterSummary { pci_bus: String::new(), ..s });
        assert_eq!(same_card(&without, &without[1]), Some(1));
        assert_eq!(same_card(&two[..1], &two[1]), None);
    }

    #[test]
    fn backends_by_name() {
        let both = wgpu::Backends::VULKAN | wgpu::Backends::DX12;
        assert_eq!(backends(Some("Vulkan, dx12")).unwrap(), both);
        assert_eq!(backends(None).unwrap(), wgpu::Backends::PRIMARY);
        assert_eq!(backends(Some("gl")).unwrap_err().exit_code(), 2);
    }
}
