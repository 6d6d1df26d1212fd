# Values that the statistics are tested against. Run: Rscript src/core/statistics/reference.R (R 4.2.2, base packages)
options(digits = 17)
show <- function(name, ...) cat(name, sprintf("%.17g", c(...)), "\n")

cat("# distributions\n")
show("studentCritical", qt(0.975, 3), qt(0.995, 40), qt(0.95, 1))

cat("# proportions\n")
for (case in list(c(0, 20), c(3, 20), c(20, 20), c(137, 1000))) {
  show(paste("wilson", case[1], case[2]), prop.test(case[1], case[2], correct = FALSE)$conf.int)
  show(paste("clopperPearson", case[1], case[2]), binom.test(case[1], case[2])$conf.int)
}
show("wilson 90% 3 20", prop.test(3, 20, correct = FALSE, conf.level = 0.9)$conf.int)

cat("# clustered\n")
y <- c(1, 1, 0, 0, 1, 0, 1, 1, 1, 0.5)
g <- c("a", "a", "a", "b", "b", "c", "d", "d", "d", "d")
u <- tapply(y - mean(y), g, sum)
se <- sqrt(sum(u^2) / length(y)^2 * 4 / 3)
show("clustered", mean(y), se, mean(y) - qt(0.975, 3) * se, mean(y) + qt(0.975, 3) * se, se^2 / (var(y) / length(y)))
show("t", t.test(y)$conf.int)

cat("# paired and two proportions\n")
show("mcnemar exact", binom.test(1, 10)$p.value, binom.test(13, 41)$p.value)
d <- c(1.83, 0.5, -1.62, 2.48, 1.68, 1.88, -1.55, 3.06, 1.3, 0.25)
show("wilcoxon exact", wilcox.test(d, exact = TRUE)$p.value, wilcox.test(d)$statistic)
long <- round(sin(1:70) * 5 + 0.8)
show("wilcoxon ties", suppressWarnings(wilcox.test(long)$p.value), suppressWarnings(wilcox.test(long)$statistic))
show("fisher", fisher.test(matrix(c(3, 17, 11, 11), 2))$p.value, fisher.test(matrix(c(40, 60, 25, 75), 2))$p.value)
w <- function(k, n) prop.test(k, n, correct = FALSE)$conf.int
newcombe <- function(a, m, b, n) {
  p <- a / m; q <- b / n; u <- w(a, m); v <- w(b, n)
  c(p - q - sqrt((p - u[1])^2 + (v[2] - q)^2), p - q + sqrt((u[2] - p)^2 + (q - v[1])^2))
}
show("newcombe", newcombe(56, 70, 48, 80), newcombe(0, 10, 3, 12))
p <- c(0.01, 0.04, 0.03, 0.2, 0.004, 0.03)
show("holm", p.adjust(p, "holm"))
show("BH", p.adjust(p, "BH"))
x <- c(1, 2, 2, 4, 5, 6, 7, 7, 9, 10); y <- c(2, 1, 4, 3, 7, 5, 5, 9, 8, 8)
for (m in c("spearman", "kendall")) {
  r <- suppressWarnings(cor.test(x, y, method = m, exact = FALSE)); show(m, r$estimate, r$p.value)
}
show("isotonic", isoreg(c(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5))$yf)
show("pass@k", 1 - choose(7, 5) / choose(10, 5), 1 - choose(190, 100) / choose(200, 100))
