//! The messages of an event file, those fields alone that are written. Names, numbers and kinds of the fields are those of
//! `tensorflow/core/util/event.proto` and `tensorflow/core/framework/summary.proto`
//! (<https://github.com/tensorflow/tensorflow>), of which TensorBoard has copies in `tensorboard/compat/proto`.

/// `SessionLog.START`.
pub const START: i32 = 1;

/// `Event`: one record of a file.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Message {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// The step that it tells of.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// In the first record of a file.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    /// What there is to see.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
    /// Beginnings and restarts.
    #[prost(message, optional, tag = "7")]
    pub session_log: Option<SessionLog>,
}

/// A beginning.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SessionLog {
    /// [`START`]
    #[prost(int32, tag = "1")]
    pub status: i32,
}

/// Values of one step.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Summary {
    /// The values.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

/// `Summary.Value`: a number or a picture.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    /// Name of the curve or of the row of pictures.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// The number; one that is 0 is written too.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
    /// The picture.
    #[prost(message, optional, tag = "4")]
    pub image: Option<Image>,
}

/// `Summary.Image`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Image {
    /// Rows of pixels.
    #[prost(int32, tag = "1")]
    pub height: i32,
    /// Columns of pixels.
    #[prost(int32, tag = "2")]
    pub width: i32,
    /// Channels: 1 is grey, 3 are red, green and blue.
    #[prost(int32, tag = "3")]
    pub colorspace: i32,
    /// The bytes of a PNG file.
    #[prost(bytes = "vec", tag = "4")]
    pub encoded_image_string: Vec<u8>,
}
