// A device guard that does nothing, so that fake tensors may say "cuda" on a build of torch without
// it. fake_card.py compiles it.
#include <c10/core/impl/DeviceGuardImplInterface.h>
namespace {
C10_REGISTER_GUARD_IMPL(CUDA, c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::CUDA>)
}
