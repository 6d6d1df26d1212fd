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

cat("# planning\n")
show("two", power.prop.test(p1 = 0.5, p2 = 0.35, power = 0.8)$n, power.prop.test(p1 = 0.05, p2 = 0.1, power = 0.9, sig.level = 0.01)$n)
show("power two", power.prop.test(n = 100, p1 = 0.5, p2 = 0.35)$power)
exact <- function(n, p0, p1) {
  k <- 0:n; p <- sapply(k, function(x) 2 * min(pbinom(x, n, p0), pbinom(x - 1, n, p0, lower = FALSE)))
  sum(dbinom(k[p <= 0.05], n, p1))
}
show("exact power", exact(100, 0.1, 0.2), exact(37, 0.5, 0.7))
half <- function(n) diff(prop.test(n / 2, n, correct = FALSE)$conf.int) / 2
show("precision", min(which(sapply(1:1000, half) <= 0.05)))
show("none", log(0.05) / log(0.99))
mcnemarPower <- function(n, a, b) { # exact over all numbers of discordant pairs, mid-p test
  m <- 0:n
  sum(sapply(m, function(d) {
    k <- 0:d; least <- pmin(k, d - k)
    p <- 2 * pbinom(least, d, 0.5) - dbinom(least, d, 0.5)
    dbinom(d, n, a + b) * sum(dbinom(k[p <= 0.05], d, a / (a + b)))
  }))
}
show("paired power", mcnemarPower(155, 0.15, 0.05), mcnemarPower(60, 0.3, 0.1))

cat("# ratings\n")
games <- data.frame(first = c("a", "a", "b", "c", "d", "a", "d"), second = c("b", "c", "c", "d", "a", "d", "b"), w = c(6, 4, 3, 5, 2, 5, 1), l = c(2, 3, 4, 1, 4, 2.5, 3))
X <- t(sapply(1:nrow(games), function(i) { r <- setNames(numeric(4), c("a", "b", "c", "d")); r[games$first[i]] <- 1; r[games$second[i]] <- r[games$second[i]] - 1; r }))
fit <- suppressWarnings(glm(cbind(games$w, games$l) ~ 0 + X[, -1], family = binomial, control = list(epsilon = 1e-15, maxit = 100)))
A <- rbind(0, diag(3)); A <- A - matrix(colMeans(A), 4, 3, byrow = TRUE)
show("bradley-terry", A %*% coef(fit))
show("errors", sqrt(diag(A %*% vcov(fit) %*% t(A))))
