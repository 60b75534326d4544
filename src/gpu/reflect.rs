//! What a kernel binds, read from its WGSL: the host keeps no second list.

use crate::error::{Error, Result};

/// One `@group(0) @binding(index) var name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Name in the shader.
    pub name: String,
    /// Binding number.
    pub index: u32,
    /// What may be bound there.
    pub kind: BindingKind,
}

/// Kind of a binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindingKind {
    /// `var<storage, read>` or `var<storage, read_write>`.
    Storage {
        /// Whether the shader only reads it.
        read_only: bool,
    },
    /// `var<uniform>`: the struct's members.
    Uniform {
        /// Bytes, padded to 16.
        size: u32,
        /// Member names, byte offsets and types.
        members: Vec<Member>,
    },
}

/// A member of a uniform struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name in the shader.
    pub name: String,
    /// Byte offset.
    pub offset: u32,
    /// Its type.
    pub ty: MemberType,
}

/// Types that parameters may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberType {
    /// `u32`
    U32,
    /// `i32`
    I32,
    /// `f32`
    F32,
    /// `vec4<u32>`
    Vec4U32,
    /// `vec4<f32>`
    Vec4F32,
}

/// What the host must know of a shader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reflection {
    /// Bindings of group 0 in order of their numbers.
    pub bindings: Vec<Binding>,
    /// Invocations of a workgroup.
    pub workgroup_size: [u32; 3],
    /// Whether it asks for the number of workgroups, and so can tell them apart in a folded grid.
    pub unfolds: bool,
    /// Whether it has loops, whose turns a call must count: see [`super::MAX_TURNS`].
    pub loops: bool,
}

/// Reads the bindings of `text`'s only entry point `main`; also the module that it was read into.
///
/// # Errors
/// [`Error::Gpu`] with naga's message, or for a parameter type that is not supported.
pub fn reflect(name: &str, text: &str) -> Result<(Reflection, naga::Module)> {
    let module = naga::front::wgsl::parse_str(text)
        .map_err(|e| Error::Gpu(format!("shader {name}: {}", e.emit_to_string(text))))?;
    let fail = |what: &str| Error::Gpu(format!("shader {name}: {what}"));
    let mut bindings = Vec::new();
    for (_, var) in module.global_variables.iter() {
        let Some(at) = var.binding else { continue };
        if at.group != 0 {
            return Err(fail("binds outside group 0"));
        }
        let kind = match var.space {
            naga::AddressSpace::Storage { access } => {
                BindingKind::Storage { read_only: !access.contains(naga::StorageAccess::STORE) }
            }
            naga::AddressSpace::Uniform => {
                uniform(&module, var.ty).ok_or_else(|| fail("unsupported uniform"))?
            }
            _ => return Err(fail("unsupported address space")),
        };
        let name = var.name.clone().ok_or_else(|| fail("nameless binding"))?;
        bindings.push(Binding { name, index: at.binding, kind });
    }
    bindings.sort_by_key(|b| b.index);
    let entry =
        module.entry_points.iter().find(|e| e.name == "main").ok_or_else(|| fail("no entry point main"))?;
    let workgroup_size = entry.workgroup_size;
    let counts = naga::Binding::BuiltIn(naga::BuiltIn::NumWorkGroups);
    let unfolds = entry.function.arguments.iter().any(|a| a.binding.as_ref() == Some(&counts));
    let loops = has_loops(&entry.function.body) || module.functions.iter().any(|(_, f)| has_loops(&f.body));
    Ok((Reflection { bindings, workgroup_size, unfolds, loops }, module))
}

fn has_loops(block: &naga::Block) -> bool {
    block.iter().any(|statement| match statement {
        naga::Statement::Loop { .. } => true,
        naga::Statement::Block(inner) => has_loops(inner),
        naga::Statement::If { accept, reject, .. } => has_loops(accept) || has_loops(reject),
        naga::Statement::Switch { cases, .. } => cases.iter().any(|case| has_loops(&case.body)),
        _ => false,
    })
}

fn uniform(module: &naga::Module, ty: naga::Handle<naga::Type>) -> Option<BindingKind> {
    let naga::TypeInner::Struct { members, span } = &module.types[ty].inner else { return None };
    let members = members
        .iter()
        .map(|m| {
            use naga::{ScalarKind as S, TypeInner as T, VectorSize};
            let ty = match &module.types[m.ty].inner {
                T::Scalar(s) if s.kind == S::Uint => MemberType::U32,
                T::Scalar(s) if s.kind == S::Sint => MemberType::I32,
                T::Scalar(s) if s.kind == S::Float => MemberType::F32,
                T::Vector { size: VectorSize::Quad, scalar } if scalar.kind == S::Uint => MemberType::Vec4U32,
                T::Vector { size: VectorSize::Quad, scalar } if scalar.kind == S::Float => {
                    MemberType::Vec4F32
                }
                _ => return None,
            };
            Some(Member { name: m.name.clone()?, offset: m.offset, ty })
        })
        .collect::<Option<Vec<_>>>()?;
    Some(BindingKind::Uniform { size: span.next_multiple_of(16), members })
}
