#line 55 "tests/corpus/filters.py"
        // while not ctx.should_terminate:
        if (pdc_t->actor->terminating != 0 && pdc_t->actor->event == 0) {
            pdc_status = PDC_LEFT;
            goto pdc_commit;
        }
#line 56 "tests/corpus/filters.py"
        // sample = await ctx.receive()
        PDC_RECEIVE(PDC_NAN, 0, 56, pdc_raised);
        sample = pdc_message;
#line 57 "tests/corpus/filters.py"
        // count += 1
        count = pdc_add_i64(&pdc_t->error, count, 1);
        PDC_CHECK(57, pdc_raised);
#line 58 "tests/corpus/filters.py"
        // if count == 1:
        if (count == 1) {
#line 59 "tests/corpus/filters.py"
            // mean = sample.value
            mean = sample.value;
#line 60 "tests/corpus/filters.py"
            // continue
            goto pdc_commit;
        }
#line 61 "tests/corpus/filters.py"
        // delta = sample.value - mean
        delta = (sample.value - mean);
#line 62 "tests/corpus/filters.py"
        // deviation = math.sqrt(variance) if variance > 0 else 0.0
        deviation = ((variance > 0.0) ? pdc_sqrt_f64(&pdc_t->error, variance) : 0.0);
        PDC_CHECK(62, pdc_raised);
#line 63 "tests/corpus/filters.py"
        // score = delta / deviation if deviation > 1e-12 else 0.0
        score = ((deviation > 1e-12) ? pdc_truediv_f64(&pdc_t->error, delta, deviation) : 0.0);
        PDC_CHECK(63, pdc_raised);
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
            PDC_RESERVE(67, pdc_raised);
            *pdc_next_output = pdc_make_Alarm(score, (score > 0.0), count);
            PDC_STAGE();
        }
        goto pdc_commit;
