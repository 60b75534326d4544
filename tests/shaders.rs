//! Every kernel in its variants (of products in those that `walked` chooses), without an adapter: it expands, validates, stays
//! within WebGPU's default limits, binds what the host will bind, and can be written for each backend.

mod common;

use common::{Entry, TABLE};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, StorageAccess};
use ssgan::gpu::reflect::{BindingKind, MemberType, Reflection, reflect};
use ssgan::gpu::wgsl::{self, Defines};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// WebGPU's default limits (https://www.w3.org/TR/webgpu/#limits).
mod limits {
    pub const STORAGE_BUFFERS: usize = 8;
    pub const UNIFORM_BUFFERS: usize = 12;
    pub const UNIFORM_BYTES: u32 = 64 << 10;
    pub const BINDING_NUMBER: u32 = 1000;
    pub const WORKGROUP_BYTES: u32 = 16 << 10;
    pub const INVOCATIONS: u32 = 256;
    pub const WORKGROUP_SIDE: [u32; 3] = [256, 256, 64];
}

/// The variants of `entry` that are walked. Address modes and epilogues of the GEMMs do not meet in the text, and the
/// tables of both are long: each is walked at one value of the other. Of the tiles one is walked like that, the others,
/// whose texts are long, with their widest reads. The lanes of a subgroup are a number in the text: with 4 and 16 the one
/// tile is walked with its address modes alone.
fn walked(entry: &Entry) -> Vec<Defines> {
    if !entry.kernel.starts_with("gemm") {
        return entry.variants(|_| true);
    }
    entry.variants(|v| {
        let plain = v.get("BIAS") + v.get("ACT") + v.get("GRAD") == 0;
        let workgroup = entry.kernel != "gemm_subgroup";
        let square = ["RG", "CV"].map(|n| v.get(n)) == [1, 1] && v.get("CL") == v.get("SG");
        let whole = match entry.kernel {
            "gemm_workgroup" => v.get("TM") == 64 && v.get("TN") == 64,
            "gemm_cooperative" => ["TM", "TN", "LANES"].map(|n| v.get(n)) == [64, 64, 32],
            _ => square && v.get("SG") == 8,
        };
        let ends = v.get("L") == 0 && v.get("A") != 1 && (!workgroup || v.get("VA") == v.get("VC"));
        let widest = v.get("VA") == 1 && v.get("VB") % 2 == 1 && v.get("VC") == 1;
        // Windows read alike in all tiles.
        let told = workgroup || v.get("A") < 2 || v.get("RG") == 8 || v.get("SLIDE") == 1;
        let addressed = !workgroup && square && v.get("DEEP") == 1;
        v.get("WG") == 64
            && if whole {
                plain || (ends && (workgroup || v.get("DEEP") == 1))
            } else {
                plain && v.get("SPLIT") == 0 && ((widest && told) || addressed)
            }
    })
}

/// Every value of every definition of a product is walked, every tile among them, and the subgroup tile reads A in each way with
/// each number of lanes.
fn products_are_covered(entry: &Entry, walked: &[Defines]) {
    let met = |names: &str, values: &str| {
        walked.iter().any(|d| names.split(' ').zip(values.split(' ')).all(|(name, value)| d[name] == value))
    };
    for (names, values) in entry.axes.iter().filter(|(names, _)| *names != "WG") {
        for value in *values {
            assert!(met(names, value), "{}: {names} = {value} is not walked", entry.kernel);
        }
    }
    if entry.kernel == "gemm_subgroup" {
        for lanes in [4, 8, 16] {
            for (a, long) in (0..4).flat_map(|a| [(a, 0), (a, 1)]) {
                let values = format!("{lanes} {a} {long}");
                assert!(met("SG A L", &values), "{}: SG A L = {values} is not walked", entry.kernel);
            }
        }
    }
}

fn each_variant(mut f: impl FnMut(&Entry, &Defines, &str)) {
    let mut count = 0;
    for entry in TABLE {
        let variants = walked(entry);
        assert!(!variants.is_empty(), "{}: no variants", entry.kernel);
        if entry.kernel.starts_with("gemm") {
            products_are_covered(entry, &variants);
        }
        for defines in variants {
            let text = wgsl::expand(entry.kernel, &defines).unwrap_or_else(|e| panic!("{e}; {defines:?}"));
            f(entry, &defines, &text);
            count += 1;
        }
    }
    println!("{} kernels, {count} variants", TABLE.len());
}

/// Whether a shader needs more than WebGPU's default: subgroups.
fn needs_subgroups(text: &str) -> bool {
    text.contains("subgroup_invocation_id")
}

fn parse(entry: &Entry, defines: &Defines, text: &str) -> (Module, ModuleInfo) {
    let at = || format!("{} {defines:?}", entry.kernel);
    let module =
        naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{}: {}", at(), e.emit_to_string(text)));
    let mut needs = if needs_subgroups(text) { Capabilities::SUBGROUP } else { Capabilities::empty() };
    if text.contains("u64") {
        needs |= Capabilities::SHADER_INT64;
    }
    if text.contains("wgpu_cooperative_matrix") {
        needs |= Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX;
    }
    let info = Validator::new(ValidationFlags::all(), needs)
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}: {}", at(), e.emit_to_string(text)));
    (module, info)
}

#[test]
fn every_source_is_in_the_table() {
    let files: Vec<&str> = wgsl::SOURCES
        .iter()
        .filter(|(name, _)| !name.starts_with("common/"))
        .map(|(name, _)| name.strip_suffix(".wgsl").expect("sources end in .wgsl"))
        .collect();
    let table: Vec<&str> = TABLE.iter().map(|e| e.kernel).collect();
    assert_eq!(files, table, "the table of tests/common must list the shader sources in their order");
}

/// A file that nobody embeds would be neither tested nor shipped.
#[test]
fn every_file_is_a_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files = vec![];
    for folder in ["", "common/"] {
        for file in fs::read_dir(root.join(folder)).expect("shaders/ can be read") {
            let name =
                file.expect("shaders/ can be read").file_name().into_string().expect("file names are text");
            if name.ends_with(".wgsl") {
                files.push(format!("{folder}{name}"));
            }
        }
    }
    files.sort();
    let mut sources: Vec<&str> = wgsl::SOURCES.iter().map(|(name, _)| *name).collect();
    sources.sort();
    assert_eq!(files, sources);
}

#[test]
fn every_variant_is_valid_and_within_default_limits() {
    each_variant(|entry, defines, text| {
        let (module, _) = parse(entry, defines, text);
        let at = format!("{} {defines:?}", entry.kernel);
        let (mut storage, mut uniforms, mut workgroup) = (0, 0, 0);
        for (_, var) in module.global_variables.iter() {
            let bytes = module.types[var.ty].inner.size(module.to_ctx());
            match var.space {
                AddressSpace::Storage { .. } => storage += 1,
                AddressSpace::Uniform => {
                    uniforms += 1;
                    assert!(bytes <= limits::UNIFORM_BYTES, "{at}: {:?} has {bytes} bytes", var.name);
                }
                AddressSpace::WorkGroup => workgroup += bytes.next_multiple_of(16),
                other => panic!("{at}: {:?} is in {other:?}", var.name),
            }
        }
        assert!(storage <= limits::STORAGE_BUFFERS, "{at}: {storage} storage buffers");
        assert!(uniforms <= limits::UNIFORM_BUFFERS, "{at}: {uniforms} uniform buffers");
        assert!(workgroup <= limits::WORKGROUP_BYTES, "{at}: {workgroup} bytes of workgroup memory");
        assert_eq!(module.entry_points.len(), 1, "{at}: entry points");
        let size = module.entry_points[0].workgroup_size;
        assert!(size.iter().product::<u32>() <= limits::INVOCATIONS, "{at}: workgroup of {size:?}");
        assert!(
            size.iter().zip(limits::WORKGROUP_SIDE).all(|(s, most)| *s <= most),
            "{at}: workgroup of {size:?}"
        );
    });
}

#[test]
fn bindings_are_what_the_host_reflects() {
    each_variant(|entry, defines, text| {
        let at = format!("{} {defines:?}", entry.kernel);
        let (module, _) = parse(entry, defines, text);
        let (host, _) = reflect(entry.kernel, text).unwrap_or_else(|e| panic!("{at}: {e}"));
        assert_eq!(host.workgroup_size, module.entry_points[0].workgroup_size, "{at}");
        let bound: Vec<_> =
            module.global_variables.iter().filter_map(|(_, v)| v.binding.map(|b| (b, v))).collect();
        assert_eq!(host.bindings.len(), bound.len(), "{at}: {:?}", host.bindings);
        for (place, var) in bound {
            assert_eq!(place.group, 0, "{at}: {:?} is outside group 0", var.name);
            assert!(place.binding < limits::BINDING_NUMBER, "{at}: binding {}", place.binding);
            let same: Vec<_> = host.bindings.iter().filter(|b| b.index == place.binding).collect();
            let [binding] = same[..] else { panic!("{at}: binding {} is {same:?}", place.binding) };
            assert_eq!(Some(&binding.name), var.name.as_ref(), "{at}: binding {}", place.binding);
            match (&binding.kind, var.space) {
                (BindingKind::Storage { read_only }, AddressSpace::Storage { access }) => {
                    assert_eq!(*read_only, access == StorageAccess::LOAD, "{at}: access of {}", binding.name);
                }
                (BindingKind::Uniform { size, members }, AddressSpace::Uniform) => {
                    let (offsets, span) = struct_offsets(&module, var.ty);
                    let listed: Vec<_> = members.iter().map(|m| (m.name.clone(), m.offset)).collect();
                    assert_eq!(listed, offsets, "{at}: members of {}", binding.name);
                    assert_eq!(*size, span.next_multiple_of(16), "{at}: size of {}", binding.name);
                }
                other => panic!("{at}: {} is {other:?}", binding.name),
            }
        }
        parameters_come_as_p(&at, &host);
    });
}

fn struct_offsets(module: &Module, ty: naga::Handle<naga::Type>) -> (Vec<(String, u32)>, u32) {
    let naga::TypeInner::Struct { members, span } = &module.types[ty].inner else {
        panic!("a uniform is no struct");
    };
    (members.iter().map(|m| (m.name.clone().unwrap_or_default(), m.offset)).collect(), *span)
}

/// The host builds one uniform from parameters, named `p`, and binds one tensor as another, named `state`.
fn parameters_come_as_p(at: &str, host: &Reflection) {
    for b in &host.bindings {
        if let BindingKind::Uniform { members, .. } = &b.kind {
            assert!(b.name == "p" || b.name == "state", "{at}: uniform {}", b.name);
            let vectors = members.iter().filter(|m| m.ty == MemberType::Vec4U32);
            assert!(vectors.clone().all(|m| m.offset % 16 == 0), "{at}: {:?}", vectors.collect::<Vec<_>>());
        }
    }
}

#[test]
fn every_variant_can_be_written_for_every_backend() {
    let spirv = naga::back::spv::Options { lang_version: (1, 3), ..Default::default() };
    let msl = naga::back::msl::Options { lang_version: (2, 4), ..Default::default() };
    let hlsl = |subgroups: bool| naga::back::hlsl::Options {
        // Wave intrinsics came with shader model 6.
        shader_model: match subgroups {
            true => naga::back::hlsl::ShaderModel::V6_0,
            false => naga::back::hlsl::ShaderModel::V5_1,
        },
        ..Default::default()
    };
    each_variant(|entry, defines, text| {
        let at = format!("{} {defines:?}", entry.kernel);
        let (module, info) = parse(entry, defines, text);
        let words = naga::back::spv::write_vec(&module, &info, &spirv, None)
            .unwrap_or_else(|e| panic!("{at}: SPIR-V: {e}"));
        assert_eq!(words.first(), Some(&0x0723_0203), "{at}: SPIR-V's magic number");
        let (metal, names) = naga::back::msl::write_string(&module, &info, &msl, &Default::default())
            .unwrap_or_else(|e| panic!("{at}: MSL: {e}"));
        let entry_point = names.entry_point_names.first().expect("one entry point");
        let name = entry_point.as_ref().unwrap_or_else(|e| panic!("{at}: MSL: {e}"));
        assert!(metal.contains(&format!("kernel void {name}(")), "{at}: MSL without {name}");
        // Direct3D has them in a language of its own.
        if entry.kernel == "gemm_cooperative" {
            return;
        }
        let (options, pipeline) = (hlsl(needs_subgroups(text)), Default::default());
        let mut direct3d = String::new();
        naga::back::hlsl::Writer::new(&mut direct3d, &options, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{at}: HLSL: {e}"));
        assert!(direct3d.contains("[numthreads("), "{at}: HLSL without an entry point");
    });
}

/// Writes the texts that WebGPU could run to `target/tint/shaders.json`: all but those with 64-bit integers or cooperative
/// matrices.
#[test]
#[ignore = "`make check-tint` runs it and hands the texts to a browser"]
fn texts_for_tint() {
    let mut texts = BTreeMap::new();
    each_variant(|entry, defines, text| {
        if text.contains("u64") || text.contains("wgpu_cooperative_matrix") {
            return;
        }
        // naga refuses the directive, WGSL asks for it.
        let enable = if needs_subgroups(text) { "enable subgroups;\n" } else { "" };
        texts.insert(format!("{enable}{text}"), format!("{} {defines:?}", entry.kernel));
    });
    let list: Vec<_> =
        texts.iter().map(|(text, name)| serde_json::json!({ "name": name, "text": text })).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tint");
    fs::create_dir_all(&folder).expect("target/ can be written");
    let json = serde_json::to_vec(&list).expect("texts are JSON");
    fs::write(folder.join("shaders.json"), json).expect("target/tint can be written");
    println!("{} texts", list.len());
}
