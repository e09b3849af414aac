#include "server/server.h"

#include <malloc.h>

#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include "server/family/families.h"
#include "server/net/connection.h"
#include "server/stats/log.h"

namespace cloakroom::server {
namespace {

namespace asio = boost::asio;

void shut_down_on(ServerState& server, asio::signal_set& signals) {
  signals.async_wait([&](const boost::system::error_code& error, int number) {
    if (error) return;
    log(LogLevel::kWarning, number == SIGINT ? "Received SIGINT scheduling shutdown..."
                                             : "Received SIGTERM scheduling shutdown...");
    shut_down_on(server, signals);
    server.ask_to_shut_down();
  });
}

// Every line looks where the log's path leads: this one, so that the file is there at once.
void reopen_log_on(asio::signal_set& hangups) {
  hangups.async_wait([&hangups](const boost::system::error_code& error, int) {
    if (error) return;
    log(LogLevel::kWarning, "Received SIGHUP: the log file is opened again");
    reopen_log_on(hangups);
  });
}

}  // namespace

Server::Server(std::shared_ptr<ConfigStore> config_store, const storage::Clock& the_clock)
    : ServerState(std::move(config_store), the_clock, families()),
      pubsub_(*this),
      threads(*this, io_threads(*config->snapshot())) {
  pubsub = &pubsub_;
  pubsub_.serve_workers();
  for (Worker* worker : workers) {
    events_.push_back(std::make_unique<KeyspaceEvents>(*worker, pubsub_));
    worker->access.set_event_sink(events_.back().get());
  }
  persistence_ = std::make_unique<Persistence>(*this);
  persistence = persistence_.get();
  startup_bytes = mallinfo2().uordblks;
}

Server::~Server() = default;

int Server::run() {
  persistence_->open();
  listeners_ = std::make_unique<Listeners>(*this, threads);
  asio::io_context& context = threads.first().context;
  asio::signal_set signals(context, SIGTERM, SIGINT);
  shut_down_on(*this, signals);
  asio::signal_set hangups(context, SIGHUP);
  reopen_log_on(hangups);
  on_shutdown = [this, &context, &signals, &hangups] {
    asio::post(context, [this, &signals, &hangups] {
      listeners_->close();
      signals.cancel();
      hangups.cancel();
      persistence_->flush([this] { threads.stop(); });
    });
  };
  listeners_->start();
  persistence_->load([] { log(LogLevel::kNotice, "Ready to accept connections"); });
  threads.run();
  persistence_->close();
  log(LogLevel::kWarning, "Cloakroom is now ready to exit, bye bye...");
  return exit_code();
}

}  // namespace cloakroom::server
