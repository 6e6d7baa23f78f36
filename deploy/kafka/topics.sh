#!/bin/bash
# Create Vane's topics where they do not exist; says what each is. KAFKA: host:port of a broker.
set -euo pipefail
tool="/opt/kafka/bin/kafka-topics.sh --bootstrap-server ${KAFKA:-kafka:9092}"
create() {
    $tool --create --if-not-exists --topic "$1" --partitions "$2" --replication-factor \
        "${REPLICAS:-1}" "${@:3}"
}
create user-interactions "${PARTITIONS:-4}" --config retention.ms=604800000
create product-updates "${PARTITIONS:-4}" --config cleanup.policy=compact
create admin-commands 1
create recommendation-log "${PARTITIONS:-4}" --config retention.ms=604800000
$tool --describe
