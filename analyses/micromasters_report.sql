-- Question: what is the MicroMasters report that staff take away?
-- Answer: one row per learner, those with the most certificates first.
-- the columns are the program's
select * -- noqa: AM04
from {{ ref('coursecompletion') }}
order by no_certificate_eligible desc, student_id asc
