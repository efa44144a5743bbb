PDC_FN i32 pdc_turn(pdc_variables &pdc_kept, const pdc_input_slot *pdc_in,
                    pdc_sink &pdc_out, pdc_context *pdc_t)
{
    const f64 alpha = pdc_kept.alpha;
    f64 mean = pdc_kept.mean;
    f64 variance = pdc_kept.variance;
    i64 count = pdc_kept.count;
    Sample sample = {};
    f64 delta = 0;
    f64 deviation = 0;
    f64 score = 0;
#line 55 "tests/corpus/filters.py"
    // while not ctx.should_terminate:
    if (pdc_t->actor->terminating != 0 && pdc_t->actor->event == 0) {
        pdc_keep(pdc_kept, mean, variance, count);
        return PDC_LEFT;
    }
#line 56 "tests/corpus/filters.py"
    // sample = await ctx.receive()
    if (!pdc_receive(pdc_out, pdc_in)) return pdc_wait(pdc_t);
    sample = *pdc_in;
#line 57 "tests/corpus/filters.py"
    // count += 1
    count = pdc_add_i64(&pdc_t->error, count, 1);
    if (pdc_raised(pdc_t, 57)) return PDC_FAILED;
#line 58 "tests/corpus/filters.py"
    // if count == 1:
    if (count == 1) {
#line 59 "tests/corpus/filters.py"
        // mean = sample.value
        mean = sample.value;
#line 60 "tests/corpus/filters.py"
        // continue
        pdc_keep(pdc_kept, mean, variance, count);
        return PDC_MORE;
    }
#line 61 "tests/corpus/filters.py"
    // delta = sample.value - mean
    delta = (sample.value - mean);
#line 62 "tests/corpus/filters.py"
    // deviation = math.sqrt(variance) if variance > 0 else 0.0
    deviation = ((variance > 0.0) ? pdc_sqrt_f64(&pdc_t->error, variance) : 0.0);
    if (pdc_raised(pdc_t, 62)) return PDC_FAILED;
#line 63 "tests/corpus/filters.py"
    // score = delta / deviation if deviation > 1e-12 else 0.0
    score = ((deviation > 1e-12) ? pdc_truediv_f64(&pdc_t->error, delta, deviation) : 0.0);
    if (pdc_raised(pdc_t, 63)) return PDC_FAILED;
#line 64 "tests/corpus/filters.py"
    // mean += alpha * delta
    mean = (mean + (alpha * delta));
#line 65 "tests/corpus/filters.py"
    // variance = (1 - alpha) * (variance + alpha * delta * delta)
    variance = ((1.0 - alpha) * (variance + ((alpha * delta) * delta)));
#line 66 "tests/corpus/filters.py"
    // if abs(score) > 3:
    if (pdc_abs_f64(score) > 3.0) {
#line 67 "tests/corpus/filters.py"
        // await ctx.send(Alarm(score, score > 0, count))
        if (!pdc_send(pdc_out, pdc_t, pdc_make_Alarm(score, (score > 0.0), count), 67)) return PDC_FAILED;
    }
    pdc_keep(pdc_kept, mean, variance, count);
    return PDC_MORE;
#line 1 "pydotcompute/kernel.cu"
}
