# A program that makes garbage on all CPUs, compiled here, under several collectors.
#@ seconds 150
#@ full
exec 2>&1
cd "$(mktemp -d)" || exit 1
export PATH=$PATH:/usr/lib/jvm/java-17-openjdk-amd64/bin
cat >Work.java <<'END'
import java.util.*; import java.util.concurrent.*; import java.util.stream.*; import java.nio.file.*;
public class Work {
    static long churn(int seed) { Random random = new Random(seed); Map<Integer, byte[]> live = new HashMap<>(); long sum = 0;
        for (int i = 0; i < 30000; i++) { byte[] b = new byte[random.nextInt(2000)]; live.put(random.nextInt(500), b); sum += b.length; } return sum; }
    public static void main(String[] a) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4); List<Future<Long>> results = new ArrayList<>();
        for (int i = 0; i < 8; i++) { int seed = i; results.add(pool.submit(() -> churn(seed))); }
        long sum = 0; for (Future<Long> r : results) sum += r.get(); pool.shutdown();
        System.out.println(sum + " " + pool.awaitTermination(10, TimeUnit.SECONDS) + " " + IntStream.range(0, 100000).parallel().filter(x -> x % 7 == 0).count());
        Path file = Files.createTempFile("a", "b"); Files.write(file, Collections.nCopies(1000, "line")); System.out.println(Files.lines(file).count() + " " + Files.size(file));
        try { int[] x = null; System.out.println(x[0]); } catch (NullPointerException e) { System.out.println("caught " + e.getClass().getSimpleName()); }
        try { deep(0); } catch (StackOverflowError e) { System.out.println("caught " + e.getClass().getSimpleName()); }
        Process p = new ProcessBuilder("sh", "-c", "echo child; exit 3").inheritIO().start(); System.out.println(p.waitFor());
        Thread t = new Thread(() -> { try { Thread.sleep(100000); } catch (InterruptedException e) { System.out.println("interrupted"); } }); t.start(); t.interrupt(); t.join();
    }
    static int deep(int n) { return deep(n + 1) + 1; }
}
END
echo "== compile"
javac Work.java; echo "code $?"; ls ./*.class
for collector in UseSerialGC UseParallelGC UseG1GC; do
    echo "== $collector"
    java -XX:+$collector -Xmx128m Work; echo "code $?"
done
echo "== without a compiler"
java -Xint -Xmx64m Work | head -n 1
echo "== out of memory"
printf 'import java.util.*; public class Full { public static void main(String[] a) { List<byte[]> l = new ArrayList<>(); while (true) l.add(new byte[1 << 20]); } }' >Full.java
javac Full.java; java -Xmx32m Full 2>&1 | head -n 1
exit 0
