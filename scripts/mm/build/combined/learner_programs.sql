-- One row per learner and program.
create table learner_programs (
    program varchar not null,
    student_id bigint not null,
    stage varchar not null,
    no_certificate_eligible integer not null,
    is_complete boolean not null
);

comment on table learner_programs is 'One row per learner and program: how far.';
comment on column learner_programs.program is 'As in seeds/programs.csv.';
comment on column learner_programs.student_id is 'The learner, by edX''s user id.';
comment on column learner_programs.stage is 'The furthest that applies, as in learner_progress.';
comment on column learner_programs.no_certificate_eligible is
'In how many of the program''s courses edX calls the learner certificate-eligible, the capstone included.';
comment on column learner_programs.is_complete is
'Whether the learner has all certificates of some track of the program.';

insert into learner_programs
select
    program,
    student_id,
    stage,
    no_certificate_eligible,
    stage = 'series complete' as is_complete
from learner_progress;
