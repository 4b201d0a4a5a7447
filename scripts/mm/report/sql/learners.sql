-- One row per learner with one certificate to go: who it is, and which course is next.
select
    learners.student_id,
    learners.name,
    learners.email,
    learners.is_retired,
    coalesce(courses.title, learner_progress.next_course) as course,
    learner_progress.stage_reason
from learner_progress
inner join learners on learner_progress.student_id = learners.student_id
left join courses on learner_progress.next_course = courses.course
where learner_progress.stage = 'one to go'
order by courses.position asc nulls last, learners.student_id asc
