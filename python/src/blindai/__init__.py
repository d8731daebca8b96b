"""Confidential inference with BlindAI's interface, on blind's attested channel.

    import blindai
    with blindai.connect(addr="localhost", policy="policy.toml") as client:
        response = client.upload_model(model="model.onnx")
        result = client.predict(response.model_id, tensors)
        print(result.output[0].as_numpy())
"""

from .client import (
    Connection,
    DeleteModelResponse,
    PredictResponse,
    SignedResponse,
    UploadModelResponse,
    connect,
)
from .datatypes import ModelDatumType, Tensor, TensorInfo

__all__ = ["connect", "Connection", "SignedResponse", "PredictResponse", "UploadModelResponse",
           "DeleteModelResponse", "Tensor", "TensorInfo", "ModelDatumType"]
