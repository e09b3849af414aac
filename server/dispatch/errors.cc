#include "server/dispatch/errors.h"

#include <cstring>

#include "storage/base/assert.h"

namespace cloakroom::server {
namespace {

std::string_view text_of(storage::Status status) {
  using storage::Status;
  switch (status) {
    case Status::kWrongType:
      return errors::kWrongType;
    case Status::kNotInteger:
      return errors::kNotInteger;
    case Status::kNotFloat:
      return errors::kNotFloat;
    case Status::kHashNotInteger:
      return errors::kHashNotInteger;
    case Status::kHashNotFloat:
      return errors::kHashNotFloat;
    case Status::kIncrementOverflow:
      return errors::kIncrementOverflow;
    case Status::kNotFinite:
      return errors::kNotFinite;
    case Status::kStringTooLong:
      return errors::kStringTooLong;
    case Status::kOutOfRange:
      return errors::kOutOfRange;
    case Status::kOk:
    case Status::kAbsent:
      break;
  }
  CLOAKROOM_ASSERT(false);
}

}  // namespace

std::string errors::log_failed(int error) {
  return std::string("MISCONF Errors writing to the AOF file: ") + std::strerror(error);
}

void reply_status(protocol::ReplyWriter& reply, storage::Status status) { reply.error(text_of(status)); }

}  // namespace cloakroom::server
