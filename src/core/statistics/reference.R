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
