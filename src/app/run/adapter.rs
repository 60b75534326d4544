//! Which adapter: what flags and settings leave open, the environment says, by the variables that wgpu's tools obey.

use crate::gpu::{AdapterChoice, Power, backend_name};

/// `choice`, and below it `WGPU_ADAPTER_NAME`, `WGPU_BACKEND` and `WGPU_POWER_PREF` (`low` or `high`).
pub fn asked(choice: AdapterChoice) -> AdapterChoice {
    below(choice, |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
}

fn below(choice: AdapterChoice, variable: impl Fn(&str) -> Option<String>) -> AdapterChoice {
    // Who names an adapter may mean one of any backend.
    let named = choice.adapter.is_some();
    AdapterChoice {
        adapter: choice.adapter.clone().or_else(|| variable("WGPU_ADAPTER_NAME")),
        backend: choice
            .backend
            .clone()
            .or_else(|| variable("WGPU_BACKEND").filter(|_| !named).and_then(|b| ours(&b))),
        power: match variable("WGPU_POWER_PREF").as_deref() {
            Some("low") => Power::Low,
            _ => choice.power,
        },
        ..choice
    }
}

/// Of a list of backends those that this program has, by its names. The variable may be meant for other programs, too.
fn ours(list: &str) -> Option<String> {
    let known = list.split(',').filter_map(backend_name);
    Some(known.collect::<Vec<_>>().join(",")).filter(|names| !names.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_environment() {
        let all = |name: &str| match name {
            "WGPU_ADAPTER_NAME" => Some("radeon".to_string()),
            "WGPU_BACKEND" => Some("dx12".into()),
            _ => Some("low".into()),
        };
        let open = below(AdapterChoice::default(), all);
        assert_eq!((open.adapter.as_deref(), open.backend.as_deref()), (Some("radeon"), Some("dx12")));
        assert_eq!(open.power, Power::Low);
        let flag = AdapterChoice { adapter: Some("software".into()), ..Default::default() };
        let said = below(flag, all);
        assert_eq!((said.adapter.as_deref(), said.backend), (Some("software"), None));
        assert_eq!(below(AdapterChoice::default(), |_| None), AdapterChoice::default());
        assert_eq!((ours("gl"), ours("VK, gl, DX12")), (None, Some("vulkan,dx12".into())));
    }
}
