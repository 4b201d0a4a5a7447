-- Question: who lacks one certificate of the series, and which course would give it?
-- Answer: one row per learner, by the course that is next.
with

learner_progress as (
    select * from {{ ref('learner_progress') }}
),

learners as (
    select * from {{ ref('learners') }}
)

select
    learner_progress.next_course,
    learner_progress.student_id,
    learners.name,
    learners.email,
    learner_progress.stage_reason
from learner_progress
inner join learners on learner_progress.student_id = learners.student_id
where
    learner_progress.stage = 'one to go'
    and not learners.is_retired
order by learner_progress.next_course asc, learner_progress.student_id asc
