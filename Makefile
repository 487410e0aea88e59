# What people type. Meson and Ninja do the building; this only calls them.
#   make            the release binary, build/skiff
#   sudo make up    a one-node cluster on this machine; make down takes everything back
#   sudo make test  every test, under AddressSanitizer and UndefinedBehaviorSanitizer
BUILD ?= build
PREFIX ?= /usr/local
DEPS := tools/deps.sh

.PHONY: all build up down test lint bench fuzz install uninstall clean
all: build

$(BUILD)/build.ninja:
	@$(DEPS) build
	meson setup $(BUILD) --buildtype=release -Doptimization=2 -Db_ndebug=false -Dstrip=true >$(BUILD).log 2>&1 \
		|| { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

build: $(BUILD)/build.ninja
	@ninja -C $(BUILD) src/cmd/skiff

up:
	@tools/up.sh

down:
	@tools/down.sh

test:
	@tools/test.sh

lint:
	@$(DEPS) build
	@python3 tools/lint/lint.py

bench:
	@tools/bench.sh

fuzz:
	@tools/fuzz.sh

install: build
	install -D -m 0755 $(BUILD)/src/cmd/skiff $(DESTDIR)$(PREFIX)/bin/skiff

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/skiff

clean:
	rm -rf $(BUILD) build-test build-fuzz
