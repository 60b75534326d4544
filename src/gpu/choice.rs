//! Which of the adapters is meant.

use super::adapter::{AdapterSummary, enumerate, install_hint};
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
    /// Sizes of workgroups, tiles and all else as on a GPU, on whatever adapter: for tests of what GPUs run. A device that is
    /// opened [again](crate::gpu::Gpu::reopen) has those of its adapter.
    pub as_gpu: bool,
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
        return Err(Error::Adapter(format!("{} {p}; choose another `adapter`", summary.name)));
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
            true => "choose one of these as `adapter`".to_string(),
            false => install_hint().to_string(),
        };
        Error::Adapter(format!("no match for {wish:?}{why}; there is: {}; {advice}", there.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "native")]
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

    #[cfg(feature = "native")]
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

    #[cfg(feature = "native")]
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
