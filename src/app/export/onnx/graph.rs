//! A graph under construction: one tensor at a time goes from layer to layer.

use super::proto::{
    AttributeProto, Dimension, FLOAT, GraphProto, INT64, NodeProto, TensorProto, TensorShapeProto,
    TensorType, TypeProto, ValueInfoProto, kind,
};
use crate::shape::Dims;

/// Name of the number of images, which each call chooses anew.
const BATCH: &str = "N";

/// How the values of the tensor that goes from layer to layer lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// `[N, features]`
    Rows,
    /// `[N, H, W, C]`, as this program has images.
    ChannelsLast,
    /// `[N, C, H, W]`, as ONNX's operators want them.
    ChannelsFirst,
}

/// The graph so far.
pub struct Graph {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    /// What the names of the nodes and tensors of the present layer begin with.
    prefix: String,
    /// Name of the tensor that goes from layer to layer.
    at: String,
    order: Order,
}

impl Graph {
    /// A graph that is given images `[N, H, W, C]` under this name.
    pub fn of_images(input: &str) -> Graph {
        let (nodes, initializers) = (vec![], vec![]);
        Graph { nodes, initializers, prefix: String::new(), at: input.into(), order: Order::ChannelsLast }
    }

    /// From now on names begin with `prefix`, which is new.
    pub fn enter(&mut self, prefix: String) {
        self.prefix = prefix;
    }

    /// Name of the tensor that goes from layer to layer.
    pub fn at(&self) -> String {
        self.at.clone()
    }

    /// A node beside the way from layer to layer, `what` of the present layer; the name of its output.
    pub fn beside(
        &mut self,
        what: &str,
        op: &str,
        inputs: Vec<String>,
        attributes: Vec<AttributeProto>,
    ) -> String {
        let name = format!("{}.{what}", self.prefix);
        self.nodes.push(node(&name, op, inputs, &name, attributes));
        name
    }

    /// A node of the present layer on the tensor that goes from layer to layer, and on `others`; its output goes on.
    pub fn then(&mut self, what: &str, op: &str, others: Vec<String>, attributes: Vec<AttributeProto>) {
        let inputs = std::iter::once(self.at()).chain(others).collect();
        self.at = self.beside(what, op, inputs, attributes);
    }

    /// A tensor of known values, `what` of the present layer; its name.
    pub fn floats(&mut self, what: &str, dims: &[u32], values: &[f32]) -> String {
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(what, FLOAT, dims.iter().map(|&d| d.into()).collect(), raw_data)
    }

    /// Known whole numbers, likewise.
    pub fn integers(&mut self, what: &str, values: &[i64]) -> String {
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(what, INT64, vec![values.len() as i64], raw_data)
    }

    fn initializer(&mut self, what: &str, data_type: i32, dims: Vec<i64>, raw_data: Vec<u8>) -> String {
        let name = format!("{}.{what}", self.prefix);
        self.initializers.push(TensorProto { dims, data_type, name: name.clone(), raw_data });
        name
    }

    /// Makes rows of the tensor that goes from layer to layer, `dims` each, in the order height, width, channel.
    pub fn rows(&mut self, dims: Dims) {
        if self.order == Order::ChannelsFirst && dims.channels > 1 && dims.pixels() > 1 {
            self.then("channels_last", "Transpose", vec![], vec![integers("perm", [0, 2, 3, 1])]);
        }
        if self.order != Order::Rows {
            self.then("rows", "Flatten", vec![], vec![integer("axis", 1)]);
        }
        self.order = Order::Rows;
    }

    /// Makes images with the channels first of the tensor that goes from layer to layer, `dims` each.
    pub fn images(&mut self, dims: Dims) {
        if self.order == Order::Rows {
            self.reshape(dims);
        }
        if self.order == Order::ChannelsLast {
            self.then("channels_first", "Transpose", vec![], vec![integers("perm", [0, 3, 1, 2])]);
        }
        self.order = Order::ChannelsFirst;
    }

    /// Puts the channels first where the tensor that goes from layer to layer has images; in rows they come first anyway.
    pub fn channels_first(&mut self, dims: Dims) {
        if self.order != Order::Rows {
            self.images(dims);
        }
    }

    /// Images `[N, H, W, C]` of rows.
    pub fn reshape(&mut self, dims: Dims) {
        // 0 stands for the size that there is: the number of images.
        let sizes = [0, dims.height.into(), dims.width.into(), dims.channels.into()];
        let sizes = self.integers("sizes", &sizes);
        self.then("images", "Reshape", vec![sizes], vec![]);
        self.order = Order::ChannelsLast;
    }

    /// The tensor that goes from layer to layer gets this name; it must be the last node's output.
    pub fn rename(&mut self, name: &str) {
        if let Some(last) = self.nodes.last_mut() {
            last.output = vec![name.into()];
            self.at = name.into();
        }
    }

    /// The whole graph.
    pub fn finish(self, name: &str, input: ValueInfoProto, output: Vec<ValueInfoProto>) -> GraphProto {
        let Graph { nodes, initializers, .. } = self;
        GraphProto { node: nodes, name: name.into(), initializer: initializers, input: vec![input], output }
    }
}

/// A node with one output.
pub fn node(
    name: &str,
    op: &str,
    input: Vec<String>,
    output: &str,
    attribute: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto { input, output: vec![output.into()], name: name.into(), op_type: op.into(), attribute }
}

/// A setting that is a number.
pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f: Some(value), r#type: kind::FLOAT, ..Default::default() }
}

/// A setting that is a whole number.
pub fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i: Some(value), r#type: kind::INT, ..Default::default() }
}

/// A setting that is a list of whole numbers.
pub fn integers(name: &str, values: impl IntoIterator<Item = u32>) -> AttributeProto {
    let ints = values.into_iter().map(i64::from).collect();
    AttributeProto { name: name.into(), ints, r#type: kind::INTS, ..Default::default() }
}

/// A setting that is a graph.
pub fn subgraph(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto { name: name.into(), g: Some(graph), r#type: kind::GRAPH, ..Default::default() }
}

/// A tensor's name and sizes.
pub fn value(name: &str, elem_type: i32, dims: Vec<Dimension>, doc_string: &str) -> ValueInfoProto {
    let shape = Some(TensorShapeProto { dim: dims });
    let tensor_type = Some(TensorType { elem_type, shape });
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto { tensor_type }),
        doc_string: doc_string.into(),
    }
}

/// A size that is known.
pub fn size(n: u32) -> Dimension {
    Dimension { dim_value: Some(n.into()), dim_param: None }
}

/// The number of images.
pub fn batch() -> Dimension {
    Dimension { dim_value: None, dim_param: Some(BATCH.into()) }
}
