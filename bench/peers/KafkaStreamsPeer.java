// Kafka Streams, exactly_once_v2, one thread: the twin of work.py. Two stores in RocksDB, both with their changelog:
// members, and an index of due times, which a punctuator by stream time scans once a day, as Rekindle's ticks come.

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

public final class KafkaStreamsPeer {
  static final long DAY_MS = 86_400_000L;
  static final long WAIT_MS = 14 * DAY_MS;
  static final int WINDOW_DAYS = 30;
  static final int MESSAGES = 2;
  static final long NEVER = Long.MAX_VALUE;

  /** count, total in millionths, due, messages sent, thirty pairs of day and sum, name, phone. */
  static final class Member {
    long count;
    long total;
    long due = NEVER;
    int sent;
    final long[] days = new long[WINDOW_DAYS];
    final long[] sums = new long[WINDOW_DAYS];
    byte[] name = {};
    byte[] phone = {};

    static Member read(byte[] data) {
      Member member = new Member();
      if (data == null) {
        return member;
      }
      ByteBuffer from = ByteBuffer.wrap(data);
      member.count = from.getLong();
      member.total = from.getLong();
      member.due = from.getLong();
      member.sent = from.getInt();
      int used = from.getInt();
      for (int i = 0; i < used; i++) {
        long day = from.getLong();
        int slot = (int) (day % WINDOW_DAYS);
        member.days[slot] = day;
        member.sums[slot] = from.getLong();
      }
      member.name = new byte[from.getInt()];
      from.get(member.name);
      member.phone = new byte[from.getInt()];
      from.get(member.phone);
      return member;
    }

    byte[] write() {
      int used = 0;
      for (long day : days) {
        used += day > 0 ? 1 : 0;
      }
      ByteBuffer into = ByteBuffer.allocate(40 + 16 * used + name.length + phone.length);
      into.putLong(count).putLong(total).putLong(due).putInt(sent).putInt(used);
      for (int slot = 0; slot < WINDOW_DAYS; slot++) {
        if (days[slot] > 0) {
          into.putLong(days[slot]).putLong(sums[slot]);
        }
      }
      into.putInt(name.length).put(name).putInt(phone.length).put(phone);
      return into.array();
    }

    void count(long at, long amount) {
      count++;
      total += amount;
      long today = at / DAY_MS;
      int slot = (int) (today % WINDOW_DAYS);
      if (days[slot] != today) {
        days[slot] = today;
        sums[slot] = 0;
      }
      sums[slot] += amount;
      for (int each = 0; each < WINDOW_DAYS; each++) {
        if (days[each] <= today - WINDOW_DAYS) {
          days[each] = 0;
        }
      }
      due = at + WAIT_MS;
      sent = 0;
    }
  }

  static final class Work implements Processor<byte[], byte[], byte[], byte[]> {
    private final Map<Integer, GenericDatumReader<GenericRecord>> readers;
    private final int receipt;
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> members;
    private KeyValueStore<byte[], byte[]> timers;
    private BinaryDecoder decoder;

    Work(Map<Integer, Schema> schemas) {
      readers = new HashMap<>();
      int found = -1;
      for (Map.Entry<Integer, Schema> each : schemas.entrySet()) {
        readers.put(each.getKey(), new GenericDatumReader<>(each.getValue()));
        found = each.getValue().getName().equals("PurchaseCompleted") ? each.getKey() : found;
      }
      receipt = found;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> given) {
      context = given;
      members = given.getStateStore("members");
      timers = given.getStateStore("timers");
      given.schedule(Duration.ofDays(1), PunctuationType.STREAM_TIME, this::fire);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      int schema = ByteBuffer.wrap(record.value()).getInt(1);
      GenericDatumReader<GenericRecord> reader = readers.get(schema);
      if (reader == null) {
        return;
      }
      GenericRecord event;
      try {
        decoder = DecoderFactory.get().binaryDecoder(record.value(), 5, record.value().length - 5, decoder);
        event = reader.read(null, decoder);
      } catch (java.io.IOException error) {
        throw new IllegalStateException(error);
      }
      Member member = Member.read(members.get(record.key()));
      if (schema == receipt) {
        drop(member, record.key());
        ByteBuffer amount = (ByteBuffer) event.get("total");
        byte[] digits = new byte[amount.remaining()];
        amount.get(digits);
        member.count((Long) event.get("occurred_at"), new java.math.BigInteger(digits).longValueExact());
        timers.put(entry(member.due, record.key()), new byte[0]);
      } else {
        member.name = event.get("first_name").toString().getBytes(StandardCharsets.UTF_8);
        member.phone = event.get("phone").toString().getBytes(StandardCharsets.UTF_8);
      }
      members.put(record.key(), member.write());
    }

    private void fire(long now) {
      List<byte[]> entries = new ArrayList<>();
      byte[] first = ByteBuffer.allocate(Long.BYTES).putLong(0).array();
      byte[] last = ByteBuffer.allocate(Long.BYTES).putLong(now + 1).array();
      try (KeyValueIterator<byte[], byte[]> due = timers.range(first, last)) {
        while (due.hasNext()) {
          entries.add(due.next().key);
        }
      }
      for (byte[] each : entries) {
        ByteBuffer from = ByteBuffer.wrap(each);
        long due = from.getLong();
        byte[] key = new byte[from.remaining()];
        from.get(key);
        Member member = Member.read(members.get(key));
        drop(member, key);
        member.sent++;
        member.due = member.sent < MESSAGES ? due + WAIT_MS : NEVER;
        if (member.due != NEVER) {
          timers.put(entry(member.due, key), new byte[0]);
        }
        members.put(key, member.write());
        context.forward(new Record<>(key, command(member, new String(key, StandardCharsets.UTF_8), due), now));
      }
    }

    private void drop(Member member, byte[] key) {
      if (member.due != NEVER) {
        timers.delete(entry(member.due, key));
      }
    }

    private static byte[] entry(long due, byte[] key) {
      return ByteBuffer.allocate(Long.BYTES + key.length).putLong(due).put(key).array();
    }

    private static byte[] command(Member member, String key, long due) {
      String name = new String(member.name, StandardCharsets.UTF_8);
      String text =
          "{\"dispatch_id\": \"" + key + "-" + due + "\", \"at\": " + due + ", \"member_id\": \"" + key
              + "\", \"campaign\": \"come-back\", \"channel\": \"sms\", \"to\": \""
              + new String(member.phone, StandardCharsets.UTF_8) + "\", \"text\": \"We miss you, " + name + ": "
              + member.total / 10_000 / 100.0 + " in " + member.count + " purchases\"}";
      return text.getBytes(StandardCharsets.UTF_8);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Map<Integer, Schema> schemas = new HashMap<>();
    for (String each : arguments) { // id=path
      String[] parts = each.split("=", 2);
      schemas.put(Integer.valueOf(parts[0]), new Schema.Parser().parse(Files.readString(Path.of(parts[1]))));
    }
    Properties properties = new Properties();
    properties.put("application.id", System.getenv("BENCH_GROUP"));
    properties.put("bootstrap.servers", System.getenv("REKINDLE_KAFKA_BOOTSTRAP_SERVERS"));
    properties.put("state.dir", System.getenv("BENCH_DIRECTORY"));
    properties.put("auto.offset.reset", "earliest");
    properties.put("default.key.serde", Serdes.ByteArraySerde.class);
    properties.put("default.value.serde", Serdes.ByteArraySerde.class);
    properties.put("num.stream.threads", "1");
    properties.put("processing.guarantee", "exactly_once_v2");
    properties.put("replication.factor", "1");
    properties.put("producer.compression.type", "lz4");
    Topology topology = new Topology();
    topology.addSource("in", new ByteArrayDeserializer(), new ByteArrayDeserializer(), "member.events");
    topology.addProcessor("work", () -> new Work(schemas), "in");
    for (String name : List.of("members", "timers")) {
      topology.addStateStore(
          Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), Serdes.ByteArray(), Serdes.ByteArray()),
          "work");
    }
    topology.addSink("out", "bench.commands", new ByteArraySerializer(), new ByteArraySerializer(), "work");
    KafkaStreams streams = new KafkaStreams(topology, properties);
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          Runtime.getRuntime().halt(1);
          return null;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
    streams.start();
  }
}
