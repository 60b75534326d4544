//! What is known of drivers, for `ssgan doctor` to tell those who have them: docs/drivers.md.

use super::AdapterSummary;

/// What compiles shaders for Direct3D 12.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShaderCompiler {
    /// Microsoft's current one, from a `dxcompiler.dll`.
    Dxc,
    /// The one that is part of Windows: slow, without subgroups.
    Fxc,
}

impl AdapterSummary {
    /// What compiles its shaders, where that is no part of the driver: for Direct3D 12. wgpu does not tell; but subgroups are
    /// there with DXC alone, on every GPU that has any.
    pub fn shader_compiler(&self) -> Option<ShaderCompiler> {
        (self.backend == "Dx12").then(|| match self.features.iter().any(|f| f == "subgroup") {
            true => ShaderCompiler::Dxc,
            false => ShaderCompiler::Fxc,
        })
    }

    /// What would make it faster.
    pub fn advice(&self) -> Option<&'static str> {
        if self.driver.starts_with("SwiftShader") {
            return Some(
                "SwiftShader, a browser's software adapter, computes rightly and takes about ten times as long as Mesa's \
                 llvmpipe: on Debian and Ubuntu `apt-get install mesa-vulkan-drivers`, and unset VK_DRIVER_FILES",
            );
        }
        if self.shader_compiler() == Some(ShaderCompiler::Fxc) {
            return Some(
                "with Microsoft's DXC shaders compile and run faster: put the dxcompiler.dll of \
                 https://github.com/microsoft/DirectXShaderCompiler/releases (v1.8.2502 or newer) beside the program",
            );
        }
        // The llvmpipe of an older Mesa loads values one by one (docs/performance.md).
        let version = self.driver_info.strip_prefix("Mesa ").filter(|_| self.driver == "llvmpipe")?;
        let major: u32 = version.split('.').next()?.parse().ok()?;
        (major < 25).then_some(
            "Mesa 25 and later are 1.2 to 2.7 times as fast, by CPU; on Debian 12, with backports among apt's sources: \
             `apt-get install -t bookworm-backports mesa-vulkan-drivers`",
        )
    }
}

impl std::fmt::Display for ShaderCompiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ShaderCompiler::Dxc => "DXC",
            ShaderCompiler::Fxc => "FXC",
        })
    }
}

#[cfg(feature = "native")]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_software_adapters_are_told_of_faster_ones() {
        let mut a = crate::native::list_adapters().remove(0);
        for (driver, info, told) in [
            ("llvmpipe", "Mesa 22.3.6 (LLVM 15.0.6)", "backports"),
            ("llvmpipe", "Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6)", ""),
            ("llvmpipe", "Mesa 26.1.6-1~bpo13+1 (LLVM 19.1.7)", ""),
            ("llvmpipe", "a version of another kind", ""),
            ("radv", "Mesa 22.3.6", ""),
            ("SwiftShader driver", "", "mesa-vulkan-drivers"),
            ("", "", ""),
        ] {
            (a.driver, a.driver_info) = (driver.into(), info.into());
            let advice = a.advice().unwrap_or_default();
            assert!(
                advice.contains(told) && advice.is_empty() == told.is_empty(),
                "{driver} {info}: {advice}"
            );
        }
    }

    #[test]
    fn the_compiler_of_direct3d_is_told_by_its_features() {
        let mut a = crate::native::list_adapters().remove(0);
        (a.driver, a.driver_info) = Default::default();
        for (backend, features, compiler) in [
            ("Vulkan", vec!["timestamp-query"], None),
            ("Dx12", vec!["subgroup", "timestamp-query"], Some(ShaderCompiler::Dxc)),
            ("Dx12", vec!["timestamp-query"], Some(ShaderCompiler::Fxc)),
        ] {
            a.backend = backend.into();
            a.features = features.iter().map(ToString::to_string).collect();
            assert_eq!(a.shader_compiler(), compiler, "{backend} {features:?}");
            assert_eq!(a.advice().is_some(), compiler == Some(ShaderCompiler::Fxc), "{backend} {features:?}");
        }
    }
}
