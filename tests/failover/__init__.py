# SPDX-License-Identifier: Apache-2.0
"""API servers over an etcd cluster while parts of it fail: networks, processes, clients, checkers."""
